"""What a person does with a system: request, plan, train, load, draw."""
