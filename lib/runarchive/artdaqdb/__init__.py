"""artdaqDB, the intermediate store, behind one protocol."""
