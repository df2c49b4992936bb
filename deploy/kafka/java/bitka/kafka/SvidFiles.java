package bitka.kafka;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Pattern;

/** The PEM files that hold our own certificate, its key, and the roots to trust. */
record SvidFiles(List<Path> own, Path bundle) {
  private static final Pattern BLOCK = Pattern.compile("-----BEGIN ([A-Z ]+)-----([^-]*)-----END \\1-----");
  private static final char[] NO_PASSWORD = new char[0];

  /** Everything in the files: differs when any of them does. */
  String read() throws IOException {
    var text = new StringBuilder();
    for (Path file : own) text.append(Files.readString(file, StandardCharsets.US_ASCII)).append('\n');
    return text.append('\0').append(Files.readString(bundle, StandardCharsets.US_ASCII)).toString();
  }

  /** Our key and certificate chain. Refuses a key that is not the certificate's: the files were being replaced. */
  static KeyStore keyStore(String text) throws GeneralSecurityException, IOException {
    String own = text.substring(0, text.indexOf('\0'));
    var keys = blocks(own, "PRIVATE KEY");
    var chain = certificates(own);
    if (keys.size() != 1 || chain.isEmpty()) throw new InvalidKeyException("one PKCS#8 key and its certificate expected");
    String algorithm = chain.get(0).getPublicKey().getAlgorithm();
    PrivateKey key = KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(keys.get(0)));
    if (!belongs(key, chain.get(0))) throw new InvalidKeyException("the key is not the certificate's");
    KeyStore store = empty();
    store.setKeyEntry("svid", key, NO_PASSWORD, chain.toArray(new Certificate[0]));
    return store;
  }

  /** The roots to trust: several while one takes the place of another. */
  static KeyStore trustStore(String text) throws GeneralSecurityException, IOException {
    var roots = certificates(text.substring(text.indexOf('\0') + 1));
    if (roots.isEmpty()) throw new GeneralSecurityException("the bundle has no root");
    KeyStore store = empty();
    for (int i = 0; i < roots.size(); i += 1) store.setCertificateEntry("root-" + i, roots.get(i));
    return store;
  }

  static char[] password() {
    return NO_PASSWORD;
  }

  private static boolean belongs(PrivateKey key, Certificate certificate) throws GeneralSecurityException {
    String scheme = key.getAlgorithm().equals("EC") ? "SHA256withECDSA" : "SHA256with" + key.getAlgorithm();
    var signature = Signature.getInstance(scheme);
    signature.initSign(key);
    signature.update(NAME);
    byte[] signed = signature.sign();
    signature.initVerify(certificate.getPublicKey());
    signature.update(NAME);
    return signature.verify(signed);
  }

  private static final byte[] NAME = "bitka".getBytes(StandardCharsets.US_ASCII);

  private static KeyStore empty() throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, NO_PASSWORD);
    return store;
  }

  private static List<Certificate> certificates(String text) throws GeneralSecurityException {
    var factory = CertificateFactory.getInstance("X.509");
    var found = new ArrayList<Certificate>();
    for (byte[] der : blocks(text, "CERTIFICATE")) found.add(factory.generateCertificate(new ByteArrayInputStream(der)));
    return found;
  }

  private static List<byte[]> blocks(String text, String type) {
    return BLOCK.matcher(text).results()
        .filter(block -> block.group(1).equals(type))
        .map(block -> Base64.getMimeDecoder().decode(block.group(2)))
        .toList();
  }
}
