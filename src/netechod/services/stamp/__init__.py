"""STAMP, the Simple Two-Way Active Measurement Protocol (RFC 8762, RFC 8972), and TWAMP Light.

`timestamps`, `packets` and `tlv` are the wire, shared by the reflector and the client. `reflector` is the
service.
"""
