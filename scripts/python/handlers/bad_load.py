def load():
    raise RuntimeError("while loading")


load()
