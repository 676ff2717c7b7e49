"""
Decoders of consent and privacy signals: strict, pure, standard library only.

Each module reads one kind of signal from text and says what is in it; what a
product does with that is decided elsewhere. Whatever cannot be read in full raises
`SignalError` with a code of `errors.CODES`: a cut string never says yes.
"""
