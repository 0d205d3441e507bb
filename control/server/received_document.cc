#include "control/server/received_document.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "control/server/local_file.h"
#include "control/server/message.h"

namespace sluice {
namespace {

Error document_error(const char* code, std::string sentence) {
  return Error{ErrorKind::Failed, code, std::move(sentence), ""};
}

Error too_big(std::uint64_t size) {
  return Error{ErrorKind::LimitExceeded, "file-too-big",
               "the descriptor sent along has " + std::to_string(size) + " bytes; at most " +
                   std::to_string(kPolicyFileSizeMax) + " are read",
               ""};
}

// The whole of a file of about `size` bytes: it may grow or shrink while it is read.
Result<std::string> read_from_beginning(int descriptor, std::size_t size_told) {
  std::string text;
  constexpr std::size_t kPieceSize = 1u << 20;
  text.reserve(size_told + kPieceSize);  // a string that doubles would hold it three times
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
      return too_big(text.size());
    }
  }
}

Result<std::string> read_descriptor(int descriptor) {
  struct stat facts {};
  if (!is_local_file(descriptor) || ::fstat(descriptor, &facts) != 0) {
    return document_error("not-a-file",
                          "the descriptor sent along is no regular file of this machine's memory "
                          "or disks; copy it into one, such as a memfd");
  }
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  if (size > kPolicyFileSizeMax) return too_big(size);
  return read_from_beginning(descriptor, size);
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
