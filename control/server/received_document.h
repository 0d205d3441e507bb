#pragma once

// A policy that came with a request: inline, or in a descriptor that was sent along. The one place
// where the server reads a file that it did not open.

#include <string>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "control/server/rpc.h"

namespace sluice {

struct ReceivedDocument {
  std::string text;  // TOML or JSON
  std::string name;  // what messages call it
};

// `document` of the parameters, else the oldest descriptor of the caller, which is closed. A
// descriptor is read from its beginning, whatever its offset; it must be a regular file of this
// machine (local_file.h) of at most kPolicyFileSizeMax, 1 GiB. Codes: "no-document" (Usage),
// "not-a-file", "file-unreadable", "file-too-big" (LimitExceeded).
Result<ReceivedDocument> receive_document(const nlohmann::json& params, const Caller& caller);

}  // namespace sluice
