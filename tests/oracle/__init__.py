"""Official decoders in Node, which say what ours must say."""
