"""Pure two-way codecs of each published wire, errors included."""
