//! Who may stay: deadlines, agents, kicks
