#include "control/server/received_document.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "control/server/message.h"

namespace sluice {
namespace {

Error document_error(const char* code, std::string sentence) {
  return Error{ErrorKind::Failed, code, std::move(sentence), ""};
}

// The whole of a file, however large it says to be: it may grow or shrink while it is read.
Result<std::string> read_from_beginning(int descriptor) {
  std::string text;
  constexpr std::size_t kPieceSize = 1u << 20;
  for (;;) {
    const std::size_t size_before = text.size();
    text.resize(size_before + kPieceSize);
    const ssize_t size =
        ::pread(descriptor, text.data() + size_before, kPieceSize, static_cast<off_t>(size_before));
    text.resize(size_before + (size > 0 ? static_cast<std::size_t>(size) : 0));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) {
      return document_error("file-unreadable",
                            std::string("the descriptor sent along: ") + std::strerror(errno));
    }
    if (size == 0) return text;
    if (text.size() > kPolicyFileSizeMax) {
      return Error{ErrorKind::LimitExceeded, "file-too-big",
                   "the file exceeds " + std::to_string(kPolicyFileSizeMax) + " bytes", ""};
    }
  }
}

Result<std::string> read_descriptor(int descriptor) {
  struct stat facts {};
  if (::fstat(descriptor, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return document_error("not-a-file", "the descriptor sent along is no regular file");
  }
  if (static_cast<std::uint64_t>(facts.st_size) > kPolicyFileSizeMax) {
    return Error{ErrorKind::LimitExceeded, "file-too-big",
                 "a file of " + std::to_string(facts.st_size) + " bytes exceeds " +
                     std::to_string(kPolicyFileSizeMax),
                 ""};
  }
  return read_from_beginning(descriptor);
}

}  // namespace

Result<ReceivedDocument> receive_document(const nlohmann::json& params, const Caller& caller) {
  ReceivedDocument out;
  const auto file = params.find("file");
  out.name = file == params.end() ? "policy" : file->get<std::string>();
  const auto document = params.find("document");
  if (document != params.end()) {
    const auto* text = document->get_ptr<const std::string*>();
    out.text = text != nullptr ? *text : to_line(*document);
    return out;
  }
  const int descriptor = caller.take_descriptor ? caller.take_descriptor() : -1;
  if (descriptor < 0) {
    return Error{ErrorKind::Usage, "no-document",
                 "neither a parameter 'document' nor a descriptor came along", ""};
  }
  Result<std::string> text = read_descriptor(descriptor);
  ::close(descriptor);
  if (!text) return text.error();
  out.text = std::move(*text);
  return out;
}

}  // namespace sluice
