"""What businesses pay for, and what they get for it: plans, subscriptions as Stripe tells of them, and limits."""
