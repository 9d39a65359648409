"""What `make check` and `make sbom` run: tools of this repository, no part of the product."""
