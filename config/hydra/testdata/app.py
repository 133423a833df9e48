"""A task of the real hydra, which does nothing: for the folders that it leaves."""

import hydra


@hydra.main(version_base="1.3", config_path=None)
def app(_):
    pass


if __name__ == "__main__":
    app()
