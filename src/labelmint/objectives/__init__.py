"""What the parts are trained to minimize: functions of a module and a batch, each answering named terms."""
