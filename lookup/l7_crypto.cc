#include "lookup/l7_crypto.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sluice {
namespace {

// RFC 9001 5.2 and RFC 9369 3.3.1.
constexpr std::array<std::uint8_t, 20> kSaltVersion1{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                                     0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                                     0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
constexpr std::array<std::uint8_t, 20> kSaltVersion2{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6,
                                                     0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
                                                     0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kBlockBytes = 64;  // of SHA-256

// libcrypto's digests of today take memory for each new message; these, which it calls deprecated,
// live on the stack.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
class Sha256 {
 public:
  Sha256() { CHECK(SHA256_Init(&state_) == 1); }
  void add(std::span<const std::uint8_t> bytes) {
    CHECK(SHA256_Update(&state_, bytes.data(), bytes.size()) == 1);
  }
  L7Crypto::Digest finish() {
    L7Crypto::Digest digest;
    CHECK(SHA256_Final(digest.data(), &state_) == 1);
    return digest;
  }

 private:
  SHA256_CTX state_;
};
#pragma GCC diagnostic pop

}  // namespace

struct L7Crypto::Contexts {
  EVP_CIPHER* gcm = nullptr;
  EVP_CIPHER* ecb = nullptr;
  EVP_CIPHER_CTX* seal = nullptr;
  EVP_CIPHER_CTX* header = nullptr;

  Contexts() = default;
  Contexts(const Contexts&) = delete;
  Contexts& operator=(const Contexts&) = delete;
  ~Contexts() {
    EVP_CIPHER_CTX_free(seal);
    EVP_CIPHER_CTX_free(header);
    EVP_CIPHER_free(gcm);
    EVP_CIPHER_free(ecb);
  }
};

L7Crypto::L7Crypto(std::unique_ptr<Contexts> contexts) : contexts_(std::move(contexts)) {}
L7Crypto::~L7Crypto() = default;

std::unique_ptr<L7Crypto> L7Crypto::create() {
  auto made = std::make_unique<Contexts>();
  made->gcm = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  made->ecb = EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr);
  made->seal = EVP_CIPHER_CTX_new();
  made->header = EVP_CIPHER_CTX_new();
  const bool is_whole = made->gcm != nullptr && made->ecb != nullptr && made->seal != nullptr &&
                        made->header != nullptr;
  if (!is_whole || EVP_DecryptInit_ex(made->seal, made->gcm, nullptr, nullptr, nullptr) != 1 ||
      EVP_EncryptInit_ex(made->header, made->ecb, nullptr, nullptr, nullptr) != 1) {
    return nullptr;
  }
  return std::unique_ptr<L7Crypto>(new L7Crypto(std::move(made)));
}

L7Crypto::Digest L7Crypto::sha256(std::string_view text) {
  Sha256 hash;
  hash.add({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  return hash.finish();
}

// RFC 2104. Keys here are salts and digests, never longer than a block.
L7Crypto::Digest L7Crypto::hmac(std::span<const std::uint8_t> key,
                                std::span<const std::uint8_t> message) {
  CHECK(key.size() <= kBlockBytes);
  std::array<std::uint8_t, kBlockBytes> inner;
  std::array<std::uint8_t, kBlockBytes> outer;
  inner.fill(0x36);
  outer.fill(0x5c);
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  Sha256 inside;
  inside.add(inner);
  inside.add(message);
  Sha256 outside;
  outside.add(outer);
  outside.add(inside.finish());
  return outside.finish();
}

// HKDF-Expand-Label of TLS 1.3 (RFC 8446 7.1) with an empty context and at most one digest of
// output, which is all that Initial packets need.
void L7Crypto::expand_label(const Digest& secret, std::string_view label,
                            std::span<std::uint8_t> out) {
  CHECK(out.size() <= secret.size());
  constexpr std::string_view kPrefix = "tls13 ";
  std::array<std::uint8_t, 40> info{};
  CHECK(kPrefix.size() + label.size() + 5 <= info.size());
  std::size_t size = 0;
  info[size++] = 0;
  info[size++] = static_cast<std::uint8_t>(out.size());
  info[size++] = static_cast<std::uint8_t>(kPrefix.size() + label.size());
  for (const std::string_view part : {kPrefix, label}) {
    for (const char c : part) info[size++] = static_cast<std::uint8_t>(c);
  }
  info[size++] = 0;  // the context
  info[size++] = 1;  // the counter of HKDF-Expand (RFC 5869 2.3)
  const Digest block = hmac(secret, std::span(info).first(size));
  std::copy_n(block.begin(), out.size(), out.begin());
}

L7Crypto::InitialKeys L7Crypto::initial_keys(std::span<const std::uint8_t> connection_id,
                                             bool is_version2) {
  const Digest initial = hmac(is_version2 ? kSaltVersion2 : kSaltVersion1, connection_id);
  Digest client;
  expand_label(initial, "client in", client);
  InitialKeys keys;
  expand_label(client, is_version2 ? "quicv2 key" : "quic key", keys.key);
  expand_label(client, is_version2 ? "quicv2 iv" : "quic iv", keys.iv);
  expand_label(client, is_version2 ? "quicv2 hp" : "quic hp", keys.header_key);
  return keys;
}

std::array<std::uint8_t, 5> L7Crypto::header_mask(const InitialKeys& keys,
                                                  std::span<const std::uint8_t, 16> sample) {
  EVP_CIPHER_CTX* header = contexts_->header;
  std::array<std::uint8_t, 32> block{};
  int size = 0;
  CHECK(EVP_EncryptInit_ex(header, nullptr, nullptr, keys.header_key.data(), nullptr) == 1);
  CHECK(EVP_EncryptUpdate(header, block.data(), &size, sample.data(), 16) == 1 && size == 16);
  std::array<std::uint8_t, 5> mask;
  std::copy_n(block.begin(), mask.size(), mask.begin());
  return mask;
}

bool L7Crypto::open(const InitialKeys& keys, std::uint64_t packet_number,
                    std::span<const std::uint8_t> header, std::span<const std::uint8_t> sealed,
                    std::span<std::uint8_t> plain) {
  if (sealed.size() < kTagBytes || plain.size() < sealed.size() - kTagBytes) return false;
  std::array<std::uint8_t, 12> nonce = keys.iv;
  for (std::size_t i = 0; i < 8; ++i) {
    nonce[11 - i] ^= static_cast<std::uint8_t>(packet_number >> (8 * i));
  }
  std::array<std::uint8_t, kTagBytes> tag;
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());
  EVP_CIPHER_CTX* seal = contexts_->seal;
  int size = 0;
  CHECK(EVP_DecryptInit_ex(seal, nullptr, nullptr, keys.key.data(), nonce.data()) == 1);
  CHECK(EVP_DecryptUpdate(seal, nullptr, &size, header.data(), static_cast<int>(header.size())) ==
        1);
  CHECK(EVP_DecryptUpdate(seal, plain.data(), &size, sealed.data(),
                          static_cast<int>(sealed.size() - kTagBytes)) == 1);
  CHECK(EVP_CIPHER_CTX_ctrl(seal, EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1);
  int rest = 0;
  std::array<std::uint8_t, kTagBytes> none;
  return EVP_DecryptFinal_ex(seal, none.data(), &rest) == 1;
}

}  // namespace sluice
