"""Parity: is what stands in for an upstream as good at the work?"""
