// llvm-sys's target.c and LLD's LTO path name the initialisers of every backend in the archives. Defining those we do
// not want keeps 19 backends out of the binary: the first definition wins, and the archive members are never pulled.
#define TARGET(T)                                                                                                      \
  extern "C" void LLVMInitialize##T##TargetInfo() {}                                                                   \
  extern "C" void LLVMInitialize##T##Target() {}                                                                       \
  extern "C" void LLVMInitialize##T##TargetMC() {}                                                                     \
  extern "C" void LLVMInitialize##T##AsmPrinter() {}
#define PARSER(T)                                                                                                      \
  extern "C" void LLVMInitialize##T##AsmParser() {}
#define DISASSEMBLER(T)                                                                                                \
  extern "C" void LLVMInitialize##T##Disassembler() {}
#define ALL(T) TARGET(T) PARSER(T) DISASSEMBLER(T)

ALL(ARM) ALL(AVR) ALL(BPF) ALL(Hexagon) ALL(Lanai) ALL(LoongArch) ALL(M68k) ALL(Mips) ALL(MSP430)
ALL(PowerPC) ALL(RISCV) ALL(Sparc) ALL(SystemZ) ALL(VE) ALL(WebAssembly) ALL(Xtensa)
TARGET(SPIRV) TARGET(XCore) DISASSEMBLER(XCore)
// Backends that are kept need no disassembler.
DISASSEMBLER(AMDGPU) DISASSEMBLER(X86) DISASSEMBLER(AArch64)

// Called once, so that the linker takes this object before it looks into LLVM's archives.
extern "C" void routefuse_keep_stubs() {}
