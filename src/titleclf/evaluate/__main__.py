"""`python -m titleclf.evaluate`: evaluate a trained model on labelled titles."""

from titleclf.config.hydra import command
from titleclf.evaluate.evaluation import evaluate

main = command("evaluate", evaluate)

if __name__ == "__main__":
    main()
