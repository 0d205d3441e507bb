#pragma once

// The applications that a rule can demand (`app = "ssh"`) and that outputs name.
//
// An application is told by the first bytes of a connection, never by a port. The names are those
// of the policy file, in lower case; Unknown has the name "unknown", which no rule may ask for.
// Pure values; any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice {

enum class App : std::uint8_t {
  Unknown = 0,
  Http,
  Tls,
  Ssh,
  Dns,
  Quic,
  Ntp,
  Dhcp,
  Smtp,
  Imap,
  Pop3,
  Ftp,
  Mysql,
  Postgresql,
  Redis,
  Mongodb,
  Memcached,
  Rdp,
  Smb,
  Ldap,
  Kerberos,
  Sip,
  Rtsp,
  Mqtt,
  Amqp,
  Kafka,
  Bittorrent,
  Wireguard,
  Openvpn,
  Stun,
  Snmp,
  Syslog,
  Tftp,
  Telnet,
  Vnc,
  Git,
};

// By value of App.
inline constexpr std::array kAppNames = std::to_array<std::string_view>({
    "unknown",   "http",   "tls",        "ssh",       "dns",      "quic",       "ntp",   "dhcp",
    "smtp",      "imap",   "pop3",       "ftp",       "mysql",    "postgresql", "redis", "mongodb",
    "memcached", "rdp",    "smb",        "ldap",      "kerberos", "sip",        "rtsp",  "mqtt",
    "amqp",      "kafka",  "bittorrent", "wireguard", "openvpn",  "stun",       "snmp",  "syslog",
    "tftp",      "telnet", "vnc",        "git",
});
inline constexpr std::size_t kApps = kAppNames.size();  // Unknown counts
static_assert(kApps == static_cast<std::size_t>(App::Git) + 1);
static_assert(kApps <= 63, "an AppSet is one word, and the greatest number says uninspected");

// The name in policies and outputs; valid for the life of the program.
constexpr std::string_view name_of(App app) { return kAppNames[static_cast<std::size_t>(app)]; }

// The application of that name, exactly as written; nothing for "unknown" and for what is no name.
constexpr std::optional<App> app_of(std::string_view name) {
  for (std::size_t value = 1; value < kApps; ++value) {
    if (kAppNames[value] == name) return static_cast<App>(value);
  }
  return std::nullopt;
}

// True for the applications whose first bytes name a host, so that a rule may list `domains`.
constexpr bool carries_name(App app) {
  return app == App::Http || app == App::Tls || app == App::Quic || app == App::Dns;
}

// A set of applications, one bit each by value; Unknown is never a member.
class AppSet {
 public:
  constexpr AppSet() = default;
  constexpr explicit AppSet(std::uint64_t bits) : bits_(bits & kAllBits) {}
  static constexpr AppSet all() { return AppSet(kAllBits); }
  static constexpr AppSet of(App app) { return AppSet(std::uint64_t{1} << static_cast<int>(app)); }

  constexpr std::uint64_t bits() const { return bits_; }
  constexpr bool is_empty() const { return bits_ == 0; }
  constexpr bool has_one() const { return bits_ != 0 && (bits_ & (bits_ - 1)) == 0; }
  constexpr bool contains(App app) const { return (bits_ >> static_cast<int>(app) & 1) != 0; }
  constexpr void insert(App app) { bits_ |= of(app).bits_; }
  constexpr void erase(App app) { bits_ &= ~of(app).bits_; }
  // The member of the smallest value; Unknown if there is none.
  constexpr App first() const {
    return bits_ == 0 ? App::Unknown : static_cast<App>(__builtin_ctzll(bits_));
  }

  friend constexpr AppSet operator&(AppSet a, AppSet b) { return AppSet(a.bits_ & b.bits_); }
  friend constexpr AppSet operator|(AppSet a, AppSet b) { return AppSet(a.bits_ | b.bits_); }
  friend constexpr bool operator==(AppSet a, AppSet b) = default;

 private:
  static constexpr std::uint64_t kAllBits = ((std::uint64_t{1} << kApps) - 1) & ~std::uint64_t{1};
  std::uint64_t bits_ = 0;
};
static_assert(sizeof(AppSet) == 8);

}  // namespace sluice
