"""Where market data comes from: recorded (in the database already), pushed (over the API), simulated (made up here)."""
