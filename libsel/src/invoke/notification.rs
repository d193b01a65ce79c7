//! Notifications (abi.md 2.3, 9.6).

use crate::abi::{MessageInfo, Word};
use crate::cap::{Cap, Notification};
use crate::sys;

impl Cap<Notification> {
    /// Ors the capability's badge into the notification's word, or wakes a waiter with it. Needs Write.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(notification: Cap<Notification>) -> libsel::Result<()> {
    /// notification.signal();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn signal(self) {
        sys::send(self.cptr(), MessageInfo::default(), [0; 4]);
    }

    /// Waits until the word is set, takes and clears it. Needs Read.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(notification: Cap<Notification>) -> libsel::Result<()> {
    /// let bits = notification.wait();
    /// if bits & 1 != 0 {
    ///     println!("the first of the badges");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn wait(self) -> Word {
        sys::wait(self.cptr()).badge
    }

    /// Takes and clears the word; 0 if nothing was signalled (or only capabilities without a badge were).
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(notification: Cap<Notification>) -> libsel::Result<()> {
    /// let signalled = notification.poll() != 0;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn poll(self) -> Word {
        sys::nb_wait(self.cptr()).badge
    }
}
