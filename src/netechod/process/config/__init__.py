"""The configuration: what the operator wrote, as a checked whole. A bad one is refused with all its problems.

| module | contents |
|---|---|
| `schema` | the whole configuration, and the list of its keys |
| `general`, `services` | sections and keys: of the daemon as a whole, of each service |
| `listeners` | the table of services, a row each |
| `values` | the types of the values |
| `load` | makes one configuration of file, overrides and defaults |
| `overrides` | reads the command line's and the environment's keys |
| `toml_file`, `locations` | read TOML; find where in it a value stands |
| `diagnostics` | describes problems, with location and hint |
| `constraints` | finds keys that conflict |
| `dump` | writes the configuration as TOML, each value with its origin |
"""
