"""``python -m scripts.cli``: the commands of the working folder's own package."""

from scripts.cli.main import main

if __name__ == "__main__":
    main()
