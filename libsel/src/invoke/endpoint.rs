//! Messages through endpoints and reply objects (abi.md 2.3, 9.3, 9.4). These are no invocations: the kernel passes the
//! message on, and what comes back is the other side's.
//!
//! An empty slot, a missing right on receiving or a bad reply object do not give an error but a capability fault of the
//! calling thread.

use crate::abi::{CPtr, Word};
use crate::cap::{Cap, Endpoint, Reply};
use crate::ipc::{Message, compose};
use crate::sys;

impl Cap<Endpoint> {
    /// Sends and waits until the message is received. Needs Write; `caps` also Grant.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>) -> libsel::Result<()> {
    /// endpoint.send(1, &[10, 20], &[]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn send(self, label: Word, words: &[Word], caps: &[CPtr]) {
        let (info, mrs) = compose(label, words, caps);
        sys::send(self.cptr(), info, mrs);
    }

    /// Sends if somebody waits; the message is dropped otherwise, and nobody can tell.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>) -> libsel::Result<()> {
    /// endpoint.nb_send(1, &[], &[]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn nb_send(self, label: Word, words: &[Word], caps: &[CPtr]) {
        let (info, mrs) = compose(label, words, caps);
        sys::nb_send(self.cptr(), info, mrs);
    }

    /// Sends and waits for the reply. Needs Write and Grant or GrantReply.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>) -> libsel::Result<()> {
    /// let reply = endpoint.call(1, &[10, 20], &[]);
    /// println!("label {}, first word {}", reply.label(), reply.word(0));
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn call(self, label: Word, words: &[Word], caps: &[CPtr]) -> Message {
        let (info, mrs) = compose(label, words, caps);
        sys::call(self.cptr(), info, mrs).into()
    }

    /// Waits for a message; if it is a call, `reply` answers it. Needs Read.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> libsel::Result<()> {
    /// let message = endpoint.recv(reply);
    /// println!("{} words of client {}", message.length(), message.badge);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn recv(self, reply: Cap<Reply>) -> Message {
        sys::recv(self.cptr(), reply.cptr()).into()
    }

    /// Takes a message if one waits; otherwise all fields of the result are 0.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> libsel::Result<()> {
    /// let message = endpoint.nb_recv(reply);
    /// if message.badge == 0 {
    ///     println!("nobody waits");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn nb_recv(self, reply: Cap<Reply>) -> Message {
        sys::nb_recv(self.cptr(), reply.cptr()).into()
    }

    /// Waits for a message without a reply object: a caller cannot be answered.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>) -> libsel::Result<()> {
    /// let message = endpoint.wait();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn wait(self) -> Message {
        sys::wait(self.cptr()).into()
    }

    /// [`Cap::wait`], but takes only what is there.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>) -> libsel::Result<()> {
    /// let message = endpoint.nb_wait();
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn nb_wait(self) -> Message {
        sys::nb_wait(self.cptr()).into()
    }

    /// Answers the last caller through `reply` and waits for the next message: the loop of a server.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> libsel::Result<()> {
    /// let mut message = endpoint.recv(reply);
    /// loop {
    ///     let sum = message.word(0).wrapping_add(message.word(1));
    ///     message = endpoint.reply_recv(reply, 0, &[sum], &[]);
    /// }
    /// # }
    /// ```
    #[inline]
    pub fn reply_recv(self, reply: Cap<Reply>, label: Word, words: &[Word], caps: &[CPtr]) -> Message {
        let (info, mrs) = compose(label, words, caps);
        sys::reply_recv(self.cptr(), info, mrs, reply.cptr()).into()
    }

    /// Sends to `dest` if somebody waits there, then receives from this endpoint.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>, reply: Cap<Reply>, listener: Cap<Endpoint>) -> libsel::Result<()> {
    /// let message = endpoint.nb_send_recv(listener.cptr(), 1, &[], &[], reply);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn nb_send_recv(
        self,
        dest: CPtr,
        label: Word,
        words: &[Word],
        caps: &[CPtr],
        reply: Cap<Reply>,
    ) -> Message {
        let (info, mrs) = compose(label, words, caps);
        sys::nb_send_recv(dest, info, mrs, self.cptr(), reply.cptr()).into()
    }
}

impl Cap<Reply> {
    /// Answers the caller that this reply object holds; nothing happens if it holds none.
    ///
    /// ```no_run
    /// # use libsel::{abi::*, bootinfo::initial, cap::*, invoke::*, println};
    /// # fn example(endpoint: Cap<Endpoint>, reply: Cap<Reply>) -> libsel::Result<()> {
    /// let message = endpoint.recv(reply);
    /// reply.reply(0, &[message.badge], &[]);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn reply(self, label: Word, words: &[Word], caps: &[CPtr]) {
        let (info, mrs) = compose(label, words, caps);
        sys::send(self.cptr(), info, mrs);
    }
}
