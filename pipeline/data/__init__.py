"""Lists that others maintain, in the form the pipeline reads; see each file's licence."""
