"""`python -m titleclf.export`: a run's best epoch as a bundle of its own, a file of embeddings, or an ONNX network."""

from dataclasses import replace
from pathlib import Path

from titleclf.config.hydra import command
from titleclf.config.schemas import ExportConfig
from titleclf.data.unlabelled import real_titles
from titleclf.runtime.bundle.reader import model_folder
from titleclf.runtime.choices import ExportFormat
from titleclf.runtime.classifier import Classifier
from titleclf.runtime.errors import InputError, require_extra
from titleclf.runtime.files import replacing
from titleclf.runtime.onnx_classifier import OnnxClassifier
from titleclf.training.bundle_writer import save
from titleclf.training.distributed import one_voice
from titleclf.training.embeddings import write_embeddings
from titleclf.training.fold import fold, why_not
from titleclf.training.parity import check, compare
from titleclf.training.trained_model import Bundle, load_bundle


def export(config: ExportConfig) -> Path:
    """Write the model of a run to `config.output`, which must not exist yet."""
    output = Path(config.output)
    if output.exists():
        raise InputError(f"output must not exist yet. Got {output}. Name another one or remove it.")
    bundle = load_bundle(model_folder(config.run))
    match config.format:
        case ExportFormat.bundle:
            _write_bundle(bundle, config, output)
        case ExportFormat.embeddings:
            network = bundle.network
            write_embeddings(output, network.encoder, network.config, bundle.characters)
        case ExportFormat.onnx:
            _write_onnx(bundle, config, output)
    print(f"Wrote {output}")
    return output


def _write_bundle(bundle: Bundle, config: ExportConfig, output: Path) -> None:
    saved, reason = bundle.saved(), why_not(bundle.network.config)
    if config.fold and reason is None:
        saved.weights = fold(saved.weights, saved.task)
    agreement = compare(bundle, Classifier.of(saved), real_titles(config.titles))
    check(agreement)
    save(saved, output)
    print(agreement)
    if config.fold and reason is not None:
        print(f"Not folded: {reason}.")


def _write_onnx(bundle: Bundle, config: ExportConfig, output: Path) -> None:
    with require_extra("onnx"):
        from titleclf.training.onnx_graph import onnx_model

    content = onnx_model(bundle.saved()).SerializeToString()
    network = OnnxClassifier.from_bytes(content, str(output))
    agreement = compare(bundle, replace(network, memory=bundle.memory), real_titles(config.titles))
    check(agreement)
    with replacing(output) as temporary:
        temporary.write_bytes(content)
    print(agreement)
    print("The network alone: temperature and thresholds are its metadata, a memory of titles stays in the bundle.")


main = command("export", export, wrap=one_voice)

if __name__ == "__main__":
    main()
