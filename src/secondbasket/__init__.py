"""Second Basket: a private AI stack a company owns, with a second basket behind everything."""

__version__ = "0.1.0"
