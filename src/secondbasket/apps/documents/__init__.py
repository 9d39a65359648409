"""Documents: files of the company as passages that can be found and cited."""
