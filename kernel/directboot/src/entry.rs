//! From QEMU's PVH entry to Rust: 32-bit mode without paging to long mode.
//!
//! At entry ebx holds the physical address of the start info; the stack and most registers are undefined (Xen's
//! `docs/misc/pvh.pandoc`). Paging starts with the first 4 GiB mapped twice by 2 MiB pages: at their own addresses, where
//! directboot runs, and in the direct map, through which `handoff` leaves.
use core::arch::global_asm;

/// ELF note type `XEN_ELFNOTE_PHYS32_ENTRY`.
const PHYS32_ENTRY: u32 = 18;
const STACK_BYTES: usize = 0x1_0000;

const CODE_64: u16 = 0x28;
const DATA_64: u16 = 0x30;

const CR4_PAE: u32 = 1 << 5;
/// Paging, write protection in supervisor mode, extension type, protected mode.
const CR0: u32 = 1 << 31 | 1 << 16 | 1 << 4 | 1;
const IA32_EFER: u32 = 0xc000_0080;
const EFER_LONG_MODE: u32 = 1 << 8;
const EFER_NO_EXECUTE_BIT: u32 = 11;
/// CPUID 8000_0001h, EDX.
const HAS_NO_EXECUTE_BIT: u32 = 20;
const HAS_LONG_MODE_BIT: u32 = 29;

/// Present and writable.
const TABLE_ENTRY: u32 = 0b11;
/// Present, writable and large.
const LARGE_PAGE: u32 = 0b1000_0011;

/// The descriptor table that the Limine protocol lays down, with the accessed bits set: null, 16-bit code and data,
/// 32-bit code and data, 64-bit code and data.
pub static GDT: [u64; 7] = [
    0,
    0x0000_9b00_0000_ffff,
    0x0000_9300_0000_ffff,
    0x00cf_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
];
const GDT_LIMIT: usize = size_of_val(&GDT) - 1;

global_asm!(
    r#"
    .pushsection .note.pvh, "a", @note
    .balign 4
    .long 4                             // length of the name
    .long 8                             // length of the value: QEMU reads 8 bytes from 64-bit files
    .long {phys32_entry}
    .asciz "Xen"
    .quad pvh_entry
    .popsection

    .pushsection .bss.entry, "aw", @nobits
    .balign 4096
boot_pml4:
    .skip 4096
boot_pdpt:
    .skip 4096
boot_directories:
    .skip 4 * 4096
boot_stack:
    .skip {stack_bytes}
boot_stack_top:
    .popsection

    .pushsection .rodata.entry, "a"
boot_gdt_pointer:
    .word {gdt_limit}
    .long {gdt}
no_long_mode_text:
    .asciz "directboot: this processor has no 64-bit mode; choose another one by -cpu, such as qemu64 or max\r\n"
    .popsection

    .pushsection .text.entry, "ax"
    .code32
    .global pvh_entry
pvh_entry:
    cli
    cld
    mov esi, ebx
    mov esp, offset boot_stack_top

    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb no_long_mode
    mov eax, 0x80000001
    cpuid
    bt edx, {has_long_mode_bit}
    jnc no_long_mode

    // EFER value in ebp: long mode, and no-execute if the processor has it.
    mov ebp, {efer_long_mode}
    bt edx, {has_no_execute_bit}
    jnc 1f
    bts ebp, {efer_no_execute_bit}
1:
    mov edi, offset boot_directories
    mov eax, {large_page}
    xor ecx, ecx
2:  mov [edi + 8 * ecx], eax
    mov dword ptr [edi + 8 * ecx + 4], 0
    add eax, 0x200000
    inc ecx
    cmp ecx, 4 * 512
    jne 2b

    mov eax, offset boot_directories + {table_entry}
    xor ecx, ecx
3:  mov [boot_pdpt + 8 * ecx], eax
    add eax, 4096
    inc ecx
    cmp ecx, 4
    jne 3b

    mov eax, offset boot_pdpt + {table_entry}
    mov [boot_pml4], eax
    mov [boot_pml4 + 8 * 256], eax      // the direct map, at 0xffff800000000000

    mov eax, {cr4}
    mov cr4, eax
    mov eax, offset boot_pml4
    mov cr3, eax
    mov ecx, {ia32_efer}
    mov eax, ebp
    xor edx, edx
    wrmsr
    mov eax, {cr0}
    mov cr0, eax
    lgdt [boot_gdt_pointer]
    mov eax, {code_64}
    push eax
    mov eax, offset long_mode
    push eax
    retf

no_long_mode:
    mov esi, offset no_long_mode_text
4:  lodsb
    test al, al
    jz 6f
    mov ah, al
    mov dx, 0x3fd                       // COM1 line status
5:  in al, dx
    test al, 0x20
    jz 5b
    mov dx, 0x3f8
    mov al, ah
    out dx, al
    jmp 4b
6:  hlt
    jmp 6b

    .code64
long_mode:
    mov eax, {data_64}
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov esp, offset boot_stack_top      // also clears the upper half of rsp
    xor ebp, ebp
    mov edi, esi
    call {main}
    ud2
    .popsection
"#,
    phys32_entry = const PHYS32_ENTRY,
    stack_bytes = const STACK_BYTES,
    gdt = sym GDT,
    gdt_limit = const GDT_LIMIT,
    code_64 = const CODE_64,
    data_64 = const DATA_64,
    cr4 = const CR4_PAE,
    cr0 = const CR0,
    ia32_efer = const IA32_EFER,
    efer_long_mode = const EFER_LONG_MODE,
    efer_no_execute_bit = const EFER_NO_EXECUTE_BIT,
    has_no_execute_bit = const HAS_NO_EXECUTE_BIT,
    has_long_mode_bit = const HAS_LONG_MODE_BIT,
    table_entry = const TABLE_ENTRY,
    large_page = const LARGE_PAGE,
    main = sym crate::main,
);
