"""The configuration: what the operator wrote, checked as a whole, or refused with every problem at once.

| module | contents |
|---|---|
| `schema`, `values` | sections and keys; the types of their values |
| `listeners` | the table of services, a row each |
| `load` | file, overrides and defaults become one configuration |
| `toml_file`, `locations` | TOML text, and where in it a value stands |
| `diagnostics` | problems as sentences with place and hint |
| `constraints` | conflicts between keys |
| `dump` | the configuration as TOML, each value with its origin |
"""
