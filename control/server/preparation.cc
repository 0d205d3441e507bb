#include "control/server/preparation.h"

#include <fcntl.h>
#include <unistd.h>

#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "control/compile/build_patterns.h"
#include "control/policy/load.h"
#include "control/server/received_document.h"

namespace sluice {
namespace {

constexpr std::string_view kMethod = "policy.apply";
// Stands in every document that has signatures, but for one that hides it behind escapes.
constexpr std::string_view kTable = "signature";

bool contains(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

// Throws where memory is short. What is wrong with the request is said when it is handled.
void compile_patterns_of(const std::string& line, int& descriptor, const std::string& directory) {
  const nlohmann::json request = nlohmann::json::parse(line, nullptr, false);
  if (!request.is_object() || request.value("method", std::string()) != kMethod) return;
  const auto params = request.find("params");
  if (params == request.end() || !params->is_object()) return;
  if (const auto file = params->find("file"); file != params->end() && !file->is_string()) return;
  Caller caller;
  caller.take_descriptor = [&descriptor] { return std::exchange(descriptor, -1); };
  const Result<ReceivedDocument> document = receive_document(*params, caller);
  if (!document || !contains(document->text, kTable)) return;
  const LoadedPolicy loaded = load_policy_text(document->text, document->name);
  if (!loaded.policy) return;
  std::vector<SignatureSource> signatures;
  for (const Signature& one : loaded.policy->signatures) signatures.push_back(source_of(one));
  prepare_patterns(signatures, directory);
}

void run(std::string line, int descriptor, std::string directory) {
  try {
    compile_patterns_of(line, descriptor, directory);
  } catch (const std::exception&) {
    // The request finds nothing prepared.
  }
  if (descriptor >= 0) ::close(descriptor);
}

}  // namespace

std::unique_ptr<Preparation> Preparation::begin(const std::string& line, int descriptor,
                                                const std::string& pattern_directory) {
  if (!contains(line, kMethod) || (descriptor < 0 && !contains(line, kTable))) return nullptr;
  const int own = descriptor < 0 ? -1 : ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  std::unique_ptr<Preparation> made(new Preparation());
  made->thread_ = std::thread([&is_done = made->is_done_, line, own, pattern_directory] {
    run(line, own, pattern_directory);
    is_done.store(true, std::memory_order_release);
  });
  return made;
}

Preparation::~Preparation() { thread_.join(); }

}  // namespace sluice
