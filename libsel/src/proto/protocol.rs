//! The macros that declare messages.

/// Declares a structure whose fields travel one after the other.
#[macro_export]
macro_rules! fields {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)* }

        impl $crate::proto::Field for $name {
            const MAX_WORDS: usize = 0 $(+ <$type as $crate::proto::Field>::MAX_WORDS)*;
            #[inline]
            #[allow(unused_variables)]
            fn put(&self, sink: &mut impl $crate::proto::Sink) {
                $($crate::proto::Field::put(&self.$field, sink);)*
            }
            #[inline]
            #[allow(unused_variables)]
            fn take(
                source: &mut impl $crate::proto::Source,
            ) -> ::core::result::Result<Self, $crate::proto::DecodeError> {
                Ok($name { $($field: <$type as $crate::proto::Field>::take(source)?,)* })
            }
        }

        const _: () = assert!(
            <$name as $crate::proto::Field>::MAX_WORDS <= $crate::abi::MSG_MAX_LENGTH,
            "does not fit a message"
        );
    };
}

/// Declares the requests of a service: `Name = label -> Reply { field: Type, }`. See [`crate::proto`].
#[macro_export]
macro_rules! protocol {
    (
        $(#[$meta:meta])*
        pub enum $protocol:ident {
            $(
                $(#[$vmeta:meta])*
                $name:ident = $label:literal -> $reply:ty {
                    $($(#[$fmeta:meta])* $field:ident: $type:ty,)*
                },
            )+
        }
    ) => {
        $(
            $crate::fields! {
                $(#[$vmeta])*
                pub struct $name { $($(#[$fmeta])* $field: $type,)* }
            }
            impl $crate::proto::Message for $name {
                const LABEL: $crate::abi::Word = $label;
            }
            impl $crate::proto::Request for $name {
                type Reply = $reply;
            }
        )+

        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(clippy::large_enum_variant, reason = "a text lives for one request; there is no heap to box it in")]
        pub enum $protocol {
            $($(#[$vmeta])* $name($name),)+
        }

        #[allow(dead_code, reason = "a client needs none of it, and a server not all")]
        impl $protocol {
            /// Decodes the request with this label.
            ///
            /// Errors, to be sent back as they are: `UnknownRequest` no such label, `BadRequest` malformed words.
            pub fn decode(
                label: $crate::abi::Word,
                source: &mut impl $crate::proto::Source,
            ) -> ::core::result::Result<Self, $crate::proto::ServiceError> {
                let request = match label {
                    $($label => <$name as $crate::proto::Field>::take(source).map($protocol::$name),)+
                    _ => return Err($crate::proto::ServiceError::UnknownRequest),
                };
                request.map_err(|$crate::proto::DecodeError| $crate::proto::ServiceError::BadRequest)
            }

            /// Decodes a received message as [`Self::decode`] does.
            pub fn from_message(
                message: &$crate::ipc::Message,
            ) -> ::core::result::Result<Self, $crate::proto::ServiceError> {
                Self::decode(message.label(), &mut $crate::proto::Incoming::new(message))
            }
        }

        impl<S> $crate::proto::Dispatch<S> for $protocol
        where
            $(S: $crate::proto::Handler<$name>,)+
        {
            fn dispatch(
                service: &mut S,
                message: &$crate::ipc::Message,
                exchange: &mut $crate::proto::Exchange,
            ) -> ::core::option::Option<$crate::proto::Outgoing> {
                match message.label() {
                    $($label => exchange.handle::<$name, S>(service, message),)+
                    _ => ::core::option::Option::Some($crate::proto::Outgoing::refusal(
                        $crate::proto::ServiceError::UnknownRequest,
                    )),
                }
            }
        }
    };
}
