"""`python -m titleclf.export`: a run's best epoch as a bundle of its own, or as a file of embeddings."""

from pathlib import Path

from titleclf.bundle import load_bundle
from titleclf.command import command
from titleclf.config import ExportConfig
from titleclf.embeddings import write_embeddings
from titleclf.errors import InputError
from titleclf.kinds import ExportFormat
from titleclf.saved import model_folder


def export(config: ExportConfig) -> Path:
    """Write the model of a run to `config.output`, which must not exist yet."""
    output = Path(config.output)
    bundle = load_bundle(model_folder(config.run))
    match config.format:
        case ExportFormat.bundle:
            bundle.save(output)
        case ExportFormat.embeddings:
            if output.exists():
                raise InputError(f"output must not exist yet. Got {output}. Name another one or remove it.")
            network = bundle.network
            write_embeddings(output, network.encoder, network.config, bundle.characters)
    print(f"Wrote {output}")
    return output


main = command("export", export)

if __name__ == "__main__":
    main()
