"""The dictionaries: from the operator's file to memory, or to an index on disk that the daemon maps.

| module | contents |
|---|---|
| `in_use` | the editions that services answer from |
| `editions` | loads and compares the editions of several dictionaries |
| `loader` | loads an edition: a small file into memory, a large one through an index |
| `file` | a file in memory, read in slices |
| `index`, `index_facts`, `index_verifier` | an edition in an index; its facts; whether it is whole |
| `index_builder`, `external_sort`, `index_process` | build an index, in a process of its own |
| `foreign` | files of other formats, and what to do with them |
| `importing` | `netechoctl dict import`: makes a dictionary of such a file |
| `changes` | how two editions differ |
| `compile` | `netechoctl dict compile`: makes an index ahead of time |
"""
