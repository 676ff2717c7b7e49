"""The ledger of consent choices: records, their chain, and if it is whole."""
