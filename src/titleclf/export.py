"""`python -m titleclf.export`: a run's best epoch as a bundle, an embeddings file, or an ONNX network."""

from dataclasses import replace
from pathlib import Path

from titleclf.config.hydra import command
from titleclf.config.schemas import ExportConfig
from titleclf.data.unlabelled import sample_titles
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.choices import ExportFormat
from titleclf.runtime.classifier import Classifier, classifier_of
from titleclf.runtime.errors import InputError, require_extra
from titleclf.runtime.files import replacing
from titleclf.runtime.onnx_network import parse_onnx
from titleclf.training.bundle_writer import write_bundle
from titleclf.training.distributed import rank0_output
from titleclf.training.embeddings import write_embeddings
from titleclf.training.fold import fold, why_not
from titleclf.training.parity import check, compare
from titleclf.training.trained_model import TrainedModel, bundle_of, load_trained


def export(config: ExportConfig) -> Path:
    """Write the model of a run to `config.output`, which must not exist yet."""
    output = Path(config.output)
    if output.exists():
        raise InputError(f"output must not exist yet. Got {output}. Name another one or remove it.")
    model = load_trained(model_folder(config.run))
    match config.format:
        case ExportFormat.bundle:
            _write_bundle(model, config, output)
        case ExportFormat.embeddings:
            network = model.network
            write_embeddings(output, network.encoder, network.model, network.characters)
        case ExportFormat.onnx:
            _write_onnx(model, config, output)
    print(f"Wrote {output}")
    return output


def _write_bundle(model: TrainedModel, config: ExportConfig, output: Path) -> None:
    bundle, reason = bundle_of(model), why_not(model.network.model)
    if config.fold and reason is None:
        bundle = replace(bundle, weights=fold(bundle.weights, model.task, len(bundle.contents.kinds)))
    parity = compare(model, classifier_of(bundle), sample_titles(config.titles))
    check(parity)
    write_bundle(bundle, output)
    print(parity)
    if config.fold and reason is not None:
        print(f"Not folded: {reason}.")


def _write_onnx(model: TrainedModel, config: ExportConfig, output: Path) -> None:
    with require_extra("onnx"):
        from titleclf.training.onnx_graph import onnx_model

    content = onnx_model(bundle_of(model)).SerializeToString()
    contents, network = parse_onnx(content, str(output))
    exported = Classifier(replace(contents, memory=model.contents.memory), network)
    parity = compare(model, exported, sample_titles(config.titles))
    check(parity)
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    print(parity)
    print("The network alone: temperature and thresholds are in its metadata, the memory stays in the bundle.")


main = command("export", export, wrap=rank0_output)

if __name__ == "__main__":
    main()
