// The few C++ entry points that neither C API has: dialect translations one by one, passes that are left out, and LLD as a library.
#include "lld/Common/CommonLinkerContext.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/OptBisect.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/CAPI/IR.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/GPU/GPUToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/ROCDL/ROCDLToLLVMIRTranslation.h"

#include <csignal>
#include <memory>
#include <string>
#include <utility>
#include <vector>

LLD_HAS_DRIVER(elf)

// What every target needs: the C API only has the form that registers every dialect of MLIR.
extern "C" void routefuse_register_host(MlirDialectRegistry raw) {
  mlir::DialectRegistry &registry = *unwrap(raw);
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::arith::registerConvertArithToLLVMInterface(registry);
  mlir::cf::registerConvertControlFlowToLLVMInterface(registry);
  mlir::registerConvertFuncToLLVMInterface(registry);
}

extern "C" void routefuse_register_nvvm(MlirDialectRegistry raw) {
  mlir::DialectRegistry &registry = *unwrap(raw);
  mlir::registerGPUDialectTranslation(registry);
  mlir::registerNVVMDialectTranslation(registry);
}

extern "C" void routefuse_register_rocdl(MlirDialectRegistry raw) {
  mlir::DialectRegistry &registry = *unwrap(raw);
  mlir::registerGPUDialectTranslation(registry);
  mlir::registerROCDLDialectTranslation(registry);
}

namespace {
// LLVM asks its context before it runs a pass that code is right without.
class LeftOut final : public llvm::OptPassGate {
public:
  explicit LeftOut(std::vector<std::string> names) : names(std::move(names)) {}
  bool shouldRunPass(llvm::StringRef pass, llvm::StringRef) const override { return !llvm::is_contained(names, pass); }
  bool isEnabled() const override { return true; }

private:
  std::vector<std::string> names;
};
} // namespace

// Code generators in this context leave out the passes of these names, which are copied, until the other function is called.
extern "C" void *routefuse_leave_out(LLVMContextRef context, const char *const *names, size_t count) {
  auto *gate = new LeftOut({names, names + count});
  llvm::unwrap(context)->setOptPassGate(*gate);
  return gate;
}

extern "C" void routefuse_leave_nothing_out(LLVMContextRef context, void *gate) {
  llvm::unwrap(context)->setOptPassGate(llvm::getGlobalPassGate());
  delete static_cast<LeftOut *>(gate);
}

namespace {
// Signals belong to the program that compiles. LLVM takes fifteen of them, to remove a file that is half written when the
// process dies, and gives the thread another stack for them. This gives both back, but for what another thread has done
// to them within these milliseconds.
class Signals {
public:
  Signals() {
    stack_t own = {};
    if (sigaltstack(nullptr, &before) != 0 || (before.ss_flags & SS_ONSTACK))
      return;
    // LLVM takes what is there if it is as large as this, and else allocates one at every link, and keeps it.
    own.ss_size = static_cast<std::size_t>(MINSIGSTKSZ) + 64 * 1024;
    stack = std::make_unique<char[]>(own.ss_size);
    own.ss_sp = stack.get();
    lent = sigaltstack(&own, nullptr) == 0;
  }
  ~Signals() {
    llvm::sys::unregisterHandlers();
    if (lent)
      sigaltstack(&before, nullptr);
  }
  Signals(const Signals &) = delete;
  Signals &operator=(const Signals &) = delete;

private:
  stack_t before = {};
  std::unique_ptr<char[]> stack;
  bool lent = false;
};
} // namespace

// Runs ld.lld with `argc` arguments (the program name first). Everything it would print goes to `sink` once, at the
// end. Returns 0 on success. Not re-entrant: the caller holds a lock.
extern "C" int routefuse_lld(const char *const *argv, size_t argc, void *user,
                             void (*sink)(void *, const char *, size_t)) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  Signals signals;
  bool ok = lld::elf::link(llvm::ArrayRef<const char *>(argv, argc), stream, stream, /*exitEarly=*/false,
                           /*disableOutput=*/false);
  lld::CommonLinkerContext::destroy();
  sink(user, text.data(), text.size());
  return ok ? 0 : 1;
}

extern "C" const char *routefuse_llvm_version() { return LLVM_VERSION_STRING; }
