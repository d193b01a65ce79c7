//! The attributes that turn a function into the entry of a Selkie program.
//!
//! They only look at the function's signature and pick names; what happens at start is in `libsel::rt::entry`. On the
//! host, where there is nothing to start, the program becomes one that says so.

use proc_macro::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, ItemFn, ReturnType, Token, Type, parse_macro_input};

/// Makes `fn main()` or `fn main(start: &StartInfo)` the entry of a server, with a heap.
///
/// It may return `()`, `Result<(), impl Display>` or `!`. `#[libsel::main(stack = 128 * 1024)]` sets the bytes of the
/// stack.
#[proc_macro_attribute]
pub fn main(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(parse_macro_input!(options), parse_macro_input!(function), Program::Server)
}

/// Makes `fn main()` or `fn main(bootinfo: &BootInfoView)` the entry of a root task, without a heap.
///
/// Return type and options are those of [`macro@main`].
#[proc_macro_attribute]
pub fn root_task(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(parse_macro_input!(options), parse_macro_input!(function), Program::RootTask)
}

enum Program {
    Server,
    RootTask,
}

/// `stack = EXPRESSION`, or nothing.
struct Options {
    stack: Option<Expr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.is_empty() {
            return Ok(Options { stack: None });
        }
        let name: Ident = input.parse()?;
        if name != "stack" {
            return Err(syn::Error::new(name.span(), "the only option is `stack = BYTES`"));
        }
        input.parse::<Token![=]>()?;
        Ok(Options { stack: Some(input.parse()?) })
    }
}

fn expand(options: Options, mut function: ItemFn, program: Program) -> TokenStream {
    let signature = &function.sig;
    if signature.inputs.len() > 1 || signature.asyncness.is_some() || !signature.generics.params.is_empty() {
        let error =
            syn::Error::new_spanned(signature, "a Selkie `main` has no argument or one, and no generics");
        return error.to_compile_error().into();
    }
    let takes_argument = !signature.inputs.is_empty();
    let never =
        matches!(&signature.output, ReturnType::Type(_, output) if matches!(**output, Type::Never(_)));
    let stack = match options.stack {
        Some(stack) => quote!(#stack),
        None => quote!(::libsel::rt::DEFAULT_STACK_BYTES),
    };

    // The host's `main` takes the name, so the program's moves away.
    function.sig.ident = format_ident!("selkie_{}", function.sig.ident);
    let name = &function.sig.ident;
    let call = if takes_argument { quote!(#name(argument)) } else { quote!(#name()) };
    // `!` is no type that a closure could return here; a unit behind it is never reached.
    let body = if never {
        quote!(#[allow(unreachable_code)] |argument| -> () { let _ = argument; #call })
    } else {
        quote!(|argument| { let _ = argument; #call })
    };
    let (start_type, run, allocator) = match program {
        Program::Server => (
            quote!(*mut ::libsel::proto::start::StartPage),
            quote!(run_server),
            quote! {
                #[global_allocator]
                static HEAP: ::libsel::rt::alloc::ServerHeap = ::libsel::rt::alloc::ServerHeap;
            },
        ),
        Program::RootTask => (quote!(*const ::libsel::abi::BootInfo), quote!(run_root_task), quote!()),
    };

    quote! {
        #[cfg_attr(not(target_os = "none"), allow(dead_code))]
        #function

        #[cfg(target_os = "none")]
        const _: () = {
            #allocator

            extern "C" fn run(start: #start_type, guard: u64) -> ! {
                // SAFETY: `_start` calls this once, first, with `rdi` as it found it and the page below the stack in `rsi`.
                unsafe { ::libsel::rt::entry::#run(start, guard, #body) }
            }

            ::libsel::entry!(#stack, run);
        };

        #[cfg(not(target_os = "none"))]
        fn main() {
            ::std::eprintln!("this program runs on Selkie; try `cargo xtask qemu`");
            ::std::process::exit(2);
        }
    }
    .into()
}
