"""Black-box tests: they run the installed product and import none of its code."""
