"""Shipped fakes and the contract suite of every plug-in point; no product module imports it."""
