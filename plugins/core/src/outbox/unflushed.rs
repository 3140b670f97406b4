//! What outboxes hold until the flush, charged to the budget.

use crate::{Budget, Charge, Holding, OverBudget};

/// Bytes by which it is charged. Less than this is not: what is usual, some KiB written and sent at once, costs an addition
/// and no atomic operation.
const STEP: usize = 64 * 1024;

/// The memory of all outboxes that wait for the flush.
#[derive(Debug)]
pub struct Unflushed {
    bytes: usize,
    charge: Charge,
}

impl Unflushed {
    pub fn new(budget: &Budget) -> Self {
        Self { bytes: 0, charge: Charge::new(budget, Holding::Outgoing) }
    }

    pub fn budget(&self) -> &Budget {
        self.charge.budget()
    }

    /// # Errors
    /// When the budget does not allow it. Then nothing has changed.
    pub fn add(&mut self, more: usize) -> Result<(), OverBudget> {
        let bytes = self.bytes.saturating_add(more);
        let steps = whole_steps(bytes);
        if steps > self.charge.bytes() {
            self.charge.try_set(steps)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    pub fn remove(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        if self.bytes < self.charge.bytes() {
            self.charge.set(whole_steps(self.bytes));
        }
    }

    pub fn clear(&mut self) {
        self.remove(self.bytes);
    }
}

fn whole_steps(bytes: usize) -> usize {
    bytes / STEP * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_charged_in_steps_and_given_back() {
        let budget = Budget::new(1 << 20);
        let mut unflushed = Unflushed::new(&budget);
        assert_eq!(unflushed.add(STEP - 1), Ok(()));
        assert_eq!(budget.used(), 0);
        assert_eq!(unflushed.add(STEP), Ok(()));
        assert_eq!(budget.used(), STEP);
        assert_eq!(unflushed.add(1), Ok(()));
        assert_eq!(budget.used(), 2 * STEP);
        unflushed.remove(1);
        assert_eq!(budget.used(), STEP);
        unflushed.clear();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_the_budget_refuses_is_not_counted() {
        let budget = Budget::new(1 << 20);
        let mut unflushed = Unflushed::new(&budget);
        assert_eq!(unflushed.add(1 << 20), Ok(()));
        assert_eq!(unflushed.add(STEP), Err(OverBudget));
        unflushed.remove(1 << 20);
        assert_eq!(budget.used(), 0);
        assert_eq!(unflushed.add(1 << 20), Ok(()));
    }
}
