#include "lookup/l7_identify.h"

#include <algorithm>
#include <string_view>

#include "lookup/l7_shapes.h"

namespace sluice {
namespace {

// Nominees whose shape was looked at.
struct Tested {
  AppSet sure;
  AppSet maybe;  // need more bytes
  bool is_empty() const { return sure.is_empty() && maybe.is_empty(); }
};

Tested test_shapes(AppSet nominees, const L7Input& input) {
  Tested tested;
  while (!nominees.is_empty()) {
    const App app = nominees.first();
    nominees.erase(app);
    const L7Fit fit = shape_of(app, input);
    if (fit == L7Fit::Yes) tested.sure.insert(app);
    if (fit == L7Fit::NeedMore) tested.maybe.insert(app);
  }
  return tested;
}

std::string_view head_of(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kL7ScanBytes)};
}

// A request line that is there as a whole and ends like HTTP's, or a target that fills all that is
// looked at. What begins with these words and ends otherwise (RTSP, SIP) is left to the patterns.
bool is_http_request(std::string_view head) {
  const std::size_t word = std::min(head.find(' '), head.size());
  const std::string_view method = head.substr(0, word);
  if (method != "GET" && method != "POST" && method != "HEAD" && method != "PUT") return false;
  const std::string_view target = head.substr(std::min(word + 1, head.size()));
  if (!target.starts_with('/') && !target.starts_with("http")) return false;
  const std::size_t end = target.find('\n');
  if (end == std::string_view::npos) return head.size() == kL7ScanBytes;
  std::string_view line = target.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0");
}

// What the leading bytes nominate without a scan; empty: ask the patterns.
AppSet dispatch(const L7Input& input) {
  const std::span<const std::uint8_t> bytes = input.bytes;
  if (bytes.size() < 6) return {};
  if (input.transport == L7Transport::Udp) {
    const bool is_long_header = (bytes[0] & 0xc0) == 0xc0;
    if (is_long_header && bytes[1] == 0 && bytes[2] == 0 && bytes[3] == 0 && bytes[4] == 1) {
      return AppSet::of(App::Quic);
    }
    return bytes[4] == 0 && bytes[5] == 1 ? AppSet::of(App::Dns) : AppSet();
  }
  const std::uint8_t hello = input.side == L7Side::Initiator ? 1 : 2;
  if (bytes[0] == 0x16) {
    return bytes[1] == 3 && bytes[2] <= 4 && bytes[5] == hello ? AppSet::of(App::Tls) : AppSet();
  }
  const std::string_view head = head_of(bytes);
  if (input.side == L7Side::Initiator && is_http_request(head)) return AppSet::of(App::Http);
  const bool is_ssh = head.size() > 8 && head.starts_with("SSH-2.0-");
  return is_ssh ? AppSet::of(App::Ssh) : AppSet();
}

Tested nominate(const L7Patterns& patterns, L7Scratch& scratch, const L7Input& input) {
  const Tested dispatched = test_shapes(dispatch(input), input);
  if (!dispatched.sure.is_empty()) return dispatched;
  const L7Nominees nominees = patterns.scan(input.transport, input.side, input.bytes, scratch);
  const Tested strong = test_shapes(nominees.strong, input);
  return strong.is_empty() ? test_shapes(nominees.weak, input) : strong;
}

}  // namespace

L7Answer identify(const L7Patterns& patterns, L7Scratch& scratch, const L7Input& input) {
  const bool is_last = !input.more_may_come ||
                       (input.transport == L7Transport::Tcp && input.bytes.size() >= kL7ScanBytes);
  if (input.bytes.empty()) return {App::Unknown, is_last, input.candidates};
  const Tested tested = nominate(patterns, scratch, input);
  if (tested.is_empty()) return {App::Unknown, is_last, input.candidates};
  const AppSet sure = tested.sure & input.candidates;
  const AppSet left = (tested.sure | tested.maybe) & input.candidates;
  // The two sides contradict each other: nothing that we know behaves so.
  if (left.is_empty()) return {App::Unknown, true, left};
  if (sure.has_one() && (left == sure || is_last)) return {sure.first(), true, sure};
  return {App::Unknown, is_last, left};
}

}  // namespace sluice
