"""What tests share: networks, cases, mutants, exact arithmetic."""
