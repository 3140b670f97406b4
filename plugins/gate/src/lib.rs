//! Who may come in: listeners at run time, caps, deny list, budgets before login
