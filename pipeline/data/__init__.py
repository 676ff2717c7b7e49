"""Lists that others maintain, as the pipeline reads them; README.md has licences."""
