//! The jump into the kernel, in the machine state that the Limine protocol lays down.
use crate::entry::GDT;
use core::arch::asm;
use directboot::direct_map;

/// A kernel that is ready to run.
pub struct Kernel {
    /// Physical address of its top-level page table.
    pub page_tables: u64,
    /// The end of its stack in the direct map, a multiple of 16.
    pub stack_top: u64,
    /// Virtual address of its first instruction.
    pub entry: u64,
}

/// Operand of LGDT and LIDT.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Leaves directboot for the kernel.
///
/// CR0, CR4, EFER and the segment registers have their values since `entry`. What is left: the kernel's page tables, the
/// GDT at its address in the direct map, its stack with a return address of 0, and clear registers.
pub fn enter(kernel: &Kernel) -> ! {
    let gdt = TablePointer {
        limit: (size_of_val(&GDT) - 1) as u16,
        base: direct_map::OFFSET + (&raw const GDT) as u64,
    };
    let no_idt = TablePointer { limit: 0, base: 0 };
    // SAFETY: (1) directboot's code and stack lie below 4 GiB, thus in the direct map of both the present and the
    // kernel's page tables, executable and writable; from the first jump on they are used there only. (2) The kernel's
    // entry lies in an executable segment (`KernelImage::parse`), its stack is at least 64 KiB of memory of its own.
    // (3) Nothing of directboot is used afterwards.
    unsafe {
        asm!(
            "lea rax, [rip + 2f]",
            "add rax, r8",
            "jmp rax",
            "2:",
            "mov cr3, rdi",
            "lgdt [r9]",
            "lidt [r10]",
            "xor eax, eax",
            "lldt ax",
            "mov rsp, rsi",
            "push 0",
            "push rdx",
            "push 2",
            "popfq",
            "mov ebx, eax",
            "mov ecx, eax",
            "mov edx, eax",
            "mov esi, eax",
            "mov edi, eax",
            "mov ebp, eax",
            "mov r8d, eax",
            "mov r9d, eax",
            "mov r10d, eax",
            "mov r11d, eax",
            "mov r12d, eax",
            "mov r13d, eax",
            "mov r14d, eax",
            "mov r15d, eax",
            "ret",
            in("rdi") kernel.page_tables,
            in("rsi") kernel.stack_top,
            in("rdx") kernel.entry,
            in("r8") direct_map::OFFSET,
            in("r9") direct_map::OFFSET + (&raw const gdt) as u64,
            in("r10") direct_map::OFFSET + (&raw const no_idt) as u64,
            options(noreturn),
        )
    }
}
