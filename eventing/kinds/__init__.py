"""Field types that all objects share. Plug-ins build the model of their `.spec` from these."""
