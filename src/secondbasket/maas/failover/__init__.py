"""One call over as many upstreams as it takes: who is asked, for what is left, how long."""
