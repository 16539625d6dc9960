"""`python -m titleclf <verb>`: the same as `titleclf <verb>`, where that is not on the path."""

from titleclf.cli import main

if __name__ == "__main__":
    main()
