"""What is measured, and run by hand."""
