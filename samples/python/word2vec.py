"""Word vectors by skip-grams with negative sampling, from sentences over two topics: TensorFlow's first edition."""

import numpy as np

import flowc as tf

TOPICS = [["king", "queen", "crown", "throne"], ["wave", "sand", "shell", "tide"]]
WORDS = [word for topic in TOPICS for word in topic]
EMBEDDING, BATCH, NEGATIVE = 8, 64, 4

random = np.random.default_rng(3)
topic = random.integers(0, 2, size=4000)
center, context = (topic * 4 + random.integers(0, 4, size=4000) for _ in range(2))

train_inputs = tf.placeholder(tf.int32, shape=[BATCH])
train_labels = tf.placeholder(tf.int32, shape=[BATCH])
embeddings = tf.Variable(tf.random_uniform([len(WORDS), EMBEDDING], -1.0, 1.0), name="embeddings")
output = tf.Variable(tf.truncated_normal([len(WORDS), EMBEDDING], stddev=0.3), name="output")

embed = tf.nn.embedding_lookup(embeddings, train_inputs)
true_logits = tf.reduce_sum(embed * tf.nn.embedding_lookup(output, train_labels), axis=1)
sampled = tf.random_uniform([NEGATIVE], 0, len(WORDS), dtype=tf.int32)
sampled_logits = tf.matmul(embed, tf.nn.embedding_lookup(output, sampled), transpose_b=True)
loss = tf.reduce_mean(
    tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.ones_like(true_logits), logits=true_logits)
) + tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.zeros_like(sampled_logits), logits=sampled_logits))
train_op = tf.train.AdagradOptimizer(0.5).minimize(loss)

norm = tf.sqrt(tf.reduce_sum(tf.square(embeddings), 1, keep_dims=True))
normalized = embeddings / norm
similarity = tf.matmul(normalized, normalized, transpose_b=True)

with tf.Session() as session:
    tf.global_variables_initializer().run()
    for step in range(401):
        chosen = random.integers(0, len(center), size=BATCH)
        feed_dict = {train_inputs: center[chosen].astype(np.int32), train_labels: context[chosen].astype(np.int32)}
        _, value = session.run([train_op, loss], feed_dict=feed_dict)
        if step % 200 == 0:
            print(f"step {step}: loss {value:.2f}")
    sim = similarity.eval()

for word in ("king", "wave"):
    nearest = (-sim[WORDS.index(word)]).argsort()[1:4]
    print("nearest to", word + ":", ", ".join(sorted(WORDS[n] for n in nearest)))
