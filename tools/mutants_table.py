"""The faults that the tests must notice: one formula of the package wrong in each.

Read by ``tools/mutants.py``. ``file`` stands below ``recsys_tutor/`` (without ``.py``);
``old`` occurs in it exactly once; ``tests`` are words "module::function" for the test
functions below ``tests/package/`` that should fail, the narrowest there are.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One change of one line or two."""

    name: str
    file: str
    old: str
    new: str
    tests: str

    @property
    def path(self) -> str:
        """The file below the root of the repository."""
        return f"recsys_tutor/{self.file}.py"

    @property
    def module(self) -> str:
        """Its dotted name."""
        return f"recsys_tutor.{self.file.replace('/', '.')}"

    @property
    def nodes(self) -> list[str]:
        """The tests as pytest takes them."""
        pairs = [word.split("::") for word in self.tests.split()]
        return [
            f"tests/package/test_{module}.py::test_{name}" for module, name in pairs
        ]


M = Mutant
# One mutant a line: a table is read down its columns.
# fmt: off
# ruff: noqa: E501
MUTANTS = (
    # -- the study's results, networks and seeds that once got past the tests
    M("results: mean cost for median", "study/results", "groups[cost].median()", "groups[cost].mean()", "results::costs_are_medians"),
    M("GRU4Rec: no dropout before the GRU", "sequential", "x = self.dropout(self.items(sequence))  #", "x = self.items(sequence)  #", "sequential::dropout_works_in_training_only sequential::both_ends_of_the_gru_are_dropped"),
    M("leaderboard: the seed does not reach the model", "study/leaderboard", "return model.clone(random_state=int(number))", "return model", "leaderboard::seeds_of_the_splits_are_those_of_the_models"),
    M("sequences: always cut at the same place", "sequential", "offsets = rng.integers(1, self.max_length + 1, len(data))", "offsets = np.ones(len(data), dtype=np.int64)", "sequential::sequences_are_cut_at_another_place_each_epoch"),
    # -- baselines
    M("biases: penalty forgotten", "baselines", "np.maximum(count + reg,", "np.maximum(count,", "baselines::half_step_by_hand"),
    M("biases: objective without the items' penalty", "baselines", "+ reg_i * np.sum(b_i**2))", "+ 0 * np.sum(b_i**2))", "baselines::objective_by_hand"),
    M("popularity: sums of stars", "baselines", "np.bincount(train.item, minlength=train.n_items)", "np.bincount(train.item, train.value, train.n_items)", "baselines::popularity_counts_rows_not_stars"),
    M("random: one list for everybody", "baselines", "default_rng([self.seed_, u])", "default_rng([self.seed_, 0])", "baselines::random_scores_are_uniform_and_independent"),
    # -- matrix factorization
    M("SGD: q_i steps from the new p_u", "mf", "q[f] = q_old + learning_rate * (e * p_old - reg * q_old)", "q[f] = q_old + learning_rate * (e * p[f] - reg * q_old)", "mf::sgd_epoch_equals_the_literal_loop"),
    M("SGD: penalty of the objective not halved", "mf", "return float(0.5 * np.sum(e**2) + 0.5 * reg * size)", "return float(0.5 * np.sum(e**2) + reg * size)", "mf::sgd_objective_is_the_sum_of_its_shares mf::one_step_is_the_gradient_of_the_stated_objective mf::a_small_pass_follows_the_finite_differences"),
    M("SVD++: sign of the y penalty in the objective", "mf", "0.5 * (reg * size + reg_y * size_y)", "0.5 * (reg * size - reg_y * size_y)", "mf::the_svdpp_objective_by_loops"),
    M("SVD++: y shrinks once, not per rating", "mf", "shrink = 1.0 - learning_rate * reg_y * (end - start)", "shrink = 1.0 - learning_rate * reg_y", "mf::svdpp_epoch_equals_the_literal_loop"),
    M("SVD++: set scaled by its size", "mf", "scale = 1 / np.sqrt(np.maximum(count, 1))", "scale = 1 / np.maximum(count, 1)", "mf::svdpp_records_its_objective_and_uses_training_items_only"),
    M("ALS: penalty per rating", "mf", "penalty = np.full(n_rows, float(reg))", "penalty = float(reg) * np.diff(R.indptr)", "mf::a_half_step_is_ridge_regression_of_each_row"),
    M("SVD: holes are 0 although means were asked for", "mf", "values = train.value - self.fill_[train.item]", "values = train.value", "mf::truncated_svd_is_the_cut_svd_of_the_filled_matrix"),
    M("ridge: the penalty of the first row for all", "kernels", "A[f, f] += reg[u]", "A[f, f] += reg[0]", "kernels::ridge_rows_are_weighted_ridge_regressions"),
    # -- implicit feedback
    M("implicit ALS: users counted for items", "implicit_mf", "weight = np.diff(X.indptr) + unobserved * X.shape[1]", "weight = np.diff(X.indptr) + unobserved * X.shape[0]", "implicit_mf::a_half_step_is_dense_weighted_least_squares"),
    M("implicit ALS: the exponent on the penalty too", "implicit_mf", "reg_u = reg * weight**reg_exponent", "reg_u = (reg * weight) ** reg_exponent", "implicit_mf::the_exponent_scales_each_vector_s_own_penalty"),
    M("implicit ALS: objective without the missing cells", "implicit_mf", "loss += unobserved * np.sum((P.T @ P) * (Q.T @ Q))", "loss += 0.0", "implicit_mf::the_objective_is_the_sum_over_all_cells"),
    M("BPR: objective without the negatives' penalty", "implicit_mf", "np.append(positive, negative), minlength", "positive, minlength", "implicit_mf::bpr_objective_is_the_literal_sum"),
    M("BPR: sign of the user's step", "implicit_mf", "(g * (i_old - j_old) - reg * p_old)", "(g * (j_old - i_old) - reg * p_old)", "implicit_mf::bpr_epoch_equals_the_literal_loop"),
    M("BPR: popular negatives by count + 1", "implicit_mf", "np.maximum(count, 1.0) **", "(count + 1.0) **", "implicit_mf::fit_is_the_stated_passes"),
    # -- neighbours
    M("EASE: transposed", "neighbors", "B = H / -np.diag(H)", "B = H / -np.diag(H)[:, None]", "neighbors::ease_is_three_other_computations"),
    M("EASE: diagonal kept", "neighbors", "np.fill_diagonal(B, 0.0)", "np.fill_diagonal(B, -1.0)", "neighbors::ease_is_three_other_computations"),
    M("kNN: k + 1 neighbours", "neighbors", "if taken[n] < k:", "if taken[n] <= k:", "neighbors::knn_average_is_a_sort_per_pair"),
    M("user-kNN: everybody is their own neighbour", "neighbors", "S[np.arange(len(itself)), itself] = 0.0", "S[np.arange(len(itself)), itself] += 0.0", "neighbors::user_knn_is_the_loops"),
    M("SLIM: the price counted twice", "slim", "self.l1, tolerance", "2 * self.l1, tolerance", "slim::the_model_is_these_weights_and_counts_set_the_penalty"),
    M("SLIM: weights of both signs", "slim", "max(0.0, rest) /", "rest /", "slim::without_l1_each_column_is_nonnegative_least_squares"),
    M("SLIM: an item explains itself", "slim", "if j == i or not", "if not", "slim::each_column_is_scikit_learns_elastic_net"),
    M("walks: the end's popularity at the start", "walks", "n_i[:, None] ** -alpha * n_i**-beta", "n_i[:, None] ** (-alpha - beta)", "walks::exponents_are_the_loops"),
    M("walks: users of the wrong length", "walks", "n_u[:, None] ** -alpha", "n_u[:, None] ** -(alpha**2)", "walks::exponents_are_the_loops"),
    M("Slope One: differences the wrong way", "slope_one", "return towards - towards.T", "return towards.T - towards", "slope_one::the_example_of_the_paper"),
    M("Slope One: an item is compared with itself", "slope_one", "np.fill_diagonal(self.N_, 0.0)", "np.fill_diagonal(self.N_, 1.0)", "slope_one::predictions_are_the_loops"),
    M("Jaccard: the smaller of the two", "similarity", "count[:, None] + count - both", "np.maximum(count[:, None], count)", "neighbors::jaccard_counts_sets"),
    M("log-likelihood: both signs", "similarity", "return np.where(together, np.maximum(surprise, 0.0), 0.0)", "return np.maximum(surprise, 0.0)", "neighbors::log_likelihood_ratio_is_scipys_g_test"),
    M("BM25: length forgotten", "similarity", "k1 * (1 - b + b * long)", "k1 * (1 + 0 * long)", "neighbors::bm25_is_the_formula_of_the_words"),
    M("recency: half-life in thirds", "neighbors", "(2.0 ** (-age / half_life),", "(3.0 ** (-age / half_life),", "neighbors::recency_weights_are_the_loop"),
    M("kNN: shrunk twice as much", "similarity", "np.divide(n, n + shrink,", "np.divide(n, n + 2 * shrink,", "neighbors::shrinking_is_a_factor_of_the_evidence"),
    M("asymmetric cosine: sides exchanged", "similarity", "square[:, None] ** -alpha * square ** (alpha - 1.0)", "square**-alpha * square[:, None] ** (alpha - 1.0)", "neighbors::similarities_are_the_loops"),
    # -- content and hybrids
    M("content: profile of ratings, not of deviations", "content", "weight = X.data - mean", "weight = X.data.copy()", "content::content_based_is_the_loops"),
    M("content ridge: penalty of 1", "content", "A[np.diag_indices_from(A)] += self.reg", "A[np.diag_indices_from(A)] += 1.0", "content::the_dual_is_scikit_learn_s_primal_ridge"),
    M("terms of exactly min_count items dropped", "features", "count.index[count >= min_count]", "count.index[count > min_count]", "features::terms_of_five_films"),
    M("tf-idf: without the 1", "features", "np.log((1 + n) / (1 + df)) + 1)", "np.log((1 + n) / (1 + df)))", "features::tfidf_is_scikit_learn_s_and_the_loop"),
    M("hybrid: one standard deviation for all users", "hybrid", "scores.std(axis=1, keepdims=True)", "scores.std(keepdims=True)", "hybrid::normalized_scores"),
    M("rank fusion: constant forgotten", "hybrid", "w / (self.constant + place)", "w / place", "hybrid::rank_fusion_is_the_loop"),
    M("switching: the threshold itself counts as few", "hybrid", "short = np.diff(seen.indptr) < self.threshold", "short = np.diff(seen.indptr) <= self.threshold", "hybrid::switching_at_the_threshold"),
    M("augmented EASE: content counts as users", "hybrid", "penalty = self.reg + self.count_weight * np.diag(G)\n        G += self.content_weight * (F @ F.T).toarray()", "G += self.content_weight * (F @ F.T).toarray()\n        penalty = self.reg + self.count_weight * np.diag(G)", "hybrid::augmented_ease_is_ease_on_the_stacked_matrix"),
    # -- PLSA and transitions
    M("PLSA: items normalised over the wrong axis", "plsa", "of_item.sum(axis=0)", "of_item.sum(axis=1, keepdims=True)", "plsa::a_step_is_the_one_with_stored_responsibilities"),
    M("PLSA: no tempering", "plsa", "return shares if beta == 1 else shares**beta", "return shares", "plsa::a_step_is_the_one_with_stored_responsibilities"),
    M("PLSA: fold-in ends after five steps", "plsa", "for _ in range(n_epochs):", "for _ in range(5):", "plsa::a_converged_model_folds_its_training_rows_in_as_they_are"),
    M("Gaussian PLSA: factor 2 of the variance", "plsa", "0.5 * off * off / variance", "off * off / variance", "plsa::a_gaussian_step_is_the_literal_one"),
    M("transitions: damped by the source", "transitions", "n[i] * n[j] ** self.damping", "n[i] * n[i] ** self.damping", "transitions::scores_by_loops"),
    M("transitions: a step too much decay", "transitions", "int(same.sum()), decay ** (d - 1)", "int(same.sum()), decay**d", "transitions::counts_by_loops"),
    # -- Gibbs
    M("Gibbs: sign in the running sum of e · rest", "gibbs", "s[3] -= step * x[c] * (a * s[0] + s[1])", "s[3] += step * x[c] * (a * s[0] + s[1])", "gibbs::a_sweep_is_the_dense_sweep_a_parameter_at_a_time"),
    M("Gibbs: Gamma shape n for n/2", "gibbs", "rng.gamma(prior.shape + n / 2, 1 / rate)", "rng.gamma(prior.shape + n, 1 / rate)", "gibbs::a_sweep_is_the_dense_sweep_a_parameter_at_a_time"),
    M("Gibbs: noise without the prior's rate", "gibbs", "1 / (prior.rate + e @ e / 2)", "1 / (e @ e / 2)", "gibbs::a_sweep_is_the_dense_sweep_a_parameter_at_a_time"),
    M("Gibbs: precision of a weight without the noise's", "gibbs", "1.0 / (alpha * H + precision[j])\n        center = variance * (alpha * (B + w[j] * H)", "1.0 / (H + precision[j])\n        center = variance * (alpha * (B + w[j] * H)", "gibbs::a_sweep_is_the_dense_sweep_a_parameter_at_a_time"),
    M("latent values: tails cut at 1 %", "gibbs", "np.clip(share, 1e-15, 1 - 1e-15)", "np.clip(share, 0.01, 0.99)", "gibbs::latent_values_are_scipy_s_truncated_normals"),
    M("log-ordinal: probabilities floored at 1 %", "gibbs", "np.maximum(p, 1e-300)", "np.maximum(p, 1e-2)", "gibbs::log_ordinal_against_a_loop"),
    M("Bayesian FM: an unknown day is 0", "bayesian", "self.day[draw, -1] = state.mean[2][:, 0]", "self.day[draw, -1] = 0.0", "bayesian::fit_is_the_stated_sweeps_over_the_dense_design"),
    M("ordinal: the step grows when too few moves", "bayesian", "1.5 if self.moves > 3 else 0.7 if self.moves < 2", "0.7 if self.moves > 3 else 1.5 if self.moves < 2", "bayesian::in_the_burn_in_the_step_aims_at_one_move_in_four"),
    M("ordinal: the other tail", "bayesian", "ndtr(r_hat - cut)", "ndtr(cut - r_hat)", "bayesian::probabilities_of_the_stars_sum_to_one_and_give_the_expected_star"),
    M("Bayesian FM: sets divided by their size", "bayesian", "mask / np.sqrt(size)[:, None]", "mask / size[:, None]", "bayesian::with_implicit_sets_the_rule_is_that_of_svdpp"),
    # -- networks
    M("networks: left in training mode", "training", "network.eval()", "network.train(True)", "training::an_epoch_by_hand"),
    M("networks: no weight decay", "training", "weight_decay=self.weight_decay,", "weight_decay=0.0,", "training::weight_decay_is_added_to_the_gradient"),
    M("dot network: items' bias forgotten", "neural", "bias = self.b_u(user) + self.b_i(item)", "bias = self.b_u(user)", "neural::the_dot_network_s_rule"),
    M("pairs: labels exchanged", "neural", "np.append(np.ones(len(data.user)), np.zeros(len(negative)))", "np.append(np.zeros(len(data.user)), np.ones(len(negative)))", "neural::negatives_are_items_that_the_user_lacks"),
    M("pairs: one negative whatever was asked", "neural", "np.repeat(train.user[lacks], self.n_negatives)", "np.repeat(train.user[lacks], 1)", "neural::negatives_are_items_that_the_user_lacks"),
    M("softmax: log-Q added", "towers", "logits = logits - log_q", "logits = logits + log_q", "towers::in_batch_softmax_by_loops"),
    M("softmax: copies of the item are negatives", "towers", "logits = logits.masked_fill(same, -torch.inf)", "logits = logits.masked_fill(same & ~same, -torch.inf)", "towers::in_batch_softmax_by_loops"),
    M("factorization machine: pairs twice", "towers", "pairs = 0.5 * (", "pairs = 1.0 * (", "towers::the_machine_is_the_double_loop_over_fields"),
    M("cross layer: the old vector is not added", "crosses", "return x_0 * self.linear(x) + x", "return x_0 * self.linear(x)", "crosses::a_cross_layer_by_loops"),
    M("DCN: each layer crosses with itself", "crosses", "x = cross(x_0, x)", "x = cross(x, x)", "crosses::the_network_in_numpy"),
    M("DIN: an item is in its own history", "interest", "(history >= 0) & (history != left_out.unsqueeze(1))", "history >= 0", "interest::an_item_is_not_in_its_own_history"),
    M("DIN: negatives see the whole history", "interest", "np.append(data.item, beside)", "np.append(data.item, negative)", "interest::positives_and_their_negatives_see_one_history"),
    M("DIN: the product is left out of the unit", "interest", "self.of_both(e_h * candidate)", "self.of_both(e_h)", "interest::the_activation_unit_is_one_layer_over_three_parts"),
    M("attention: the next item is seen", "sequential", ".tril()  # (L, L)", ".tril(1)  # (L, L)", "sequential::no_position_sees_what_comes_after_it"),
    M("attention: scaled by d, not by its root", "sequential", "/ math.sqrt(q.shape[-1])", "/ q.shape[-1]", "sequential::attention_is_torch_s"),
    M("sequences: score read one position early", "sequential", "np.maximum(self.lengths_[users] - 1, 0)", "np.maximum(self.lengths_[users] - 2, 0)", "sequential::the_score_is_the_vector_at_the_last_item_times_the_embeddings"),
    M("SASRec: positions never added", "sequential", "x = self.items(sequence) + self.positions.weight[:L]", "x = self.items(sequence)", "sequential::the_attention_network_by_torch_s_layers"),
    M("SASRec: nothing around the attention", "sequential", "x = x + self.dropout(self.out(a))", "x = self.dropout(self.out(a))", "sequential::the_attention_network_by_torch_s_layers"),
    M("gBCE: the negatives' mean, not their sum", "sequence_losses", "F.softplus(no).sum(dim=1).mean()", "F.softplus(no).mean()", "sequence_losses::the_powered_loss_by_loops"),
    M("gBCE: calibrated the wrong way round", "sequence_losses", "t * (1 - 1 / share)", "t * (1 / share - 1)", "sequence_losses::the_ends_of_the_calibration"),
    M("sampled softmax: without the item itself", "sequence_losses", "(scores.logsumexp(dim=1) - yes).mean()", "(no.logsumexp(dim=1) - yes).mean()", "sequence_losses::the_sampled_softmax_by_loops"),
    M("BERT4Rec: padding is looked at", "bert4rec", "real = (sequence != 0)[", "real = (sequence == sequence)[", "bert4rec::the_network_by_torch_s_layers"),
    M("BERT4Rec: a hidden item can be read", "bert4rec", "return np.where(hidden, HIDDEN, items), np.where", "return items, np.where", "bert4rec::a_hidden_item_is_not_seen bert4rec::what_is_hidden_is_asked_for"),
    M("pauses: the class of the pause squared", "timed", "np.floor(np.log2(1 + np.maximum(seconds, 0)))", "np.floor(2 * np.log2(1 + np.maximum(seconds, 0)))", "timed::the_classes_by_hand"),
    M("pauses: the pause after stands for the one before", "timed", "after[:-1], 0)", "after[1:], 0)", "timed::which_pauses_are_read"),
    M("VAE: divergence without the log-variance", "autoencoders", "log_variance.exp() - log_variance - 1", "log_variance.exp() - 1", "autoencoders::the_divergence_is_torch_s"),
    M("VAE: annealing starts at 0", "autoencoders", "(len(self.history_) + 1) / self.anneal", "len(self.history_) / self.anneal", "autoencoders::beta_rises_over_the_first_epochs"),
    M("VAE: input normalised over users", "autoencoders", "F.normalize(x, dim=1)", "F.normalize(x, dim=0)", "autoencoders::the_network_by_hand"),
    M("VAE: the running mean weighs the wrong way", "autoencoders", "mean.lerp_(now, 1 - self.averaging)", "mean.lerp_(now, self.averaging)", "autoencoders::the_served_network_is_the_running_mean_of_the_epochs"),
    M("VAE: noise of the variance, not its root", "autoencoders", "torch.exp(0.5 * log_variance) *", "torch.exp(log_variance) *", "autoencoders::noise_has_the_variance_the_encoder_says"),
    M("LightGCN: mean over n_layers", "graph", "return total / (n_layers + 1)", "return total / max(n_layers, 1)", "graph::propagation_by_walks_from_node_to_node"),
    M("LightGCN: backward forgets the matrix", "graph", "return None, ctx.A @ gradient", "return None, gradient", "graph::the_gradient_of_a_walk_is_that_of_a_dense_product"),
    M("LightGCN: the positive's row pays twice", "graph", "network.n_users + i, network.n_users + j]", "network.n_users + i, network.n_users + i]", "graph::the_objective_by_hand"),
    M("LightGCN: edges by the user's degree alone", "graph", "np.diff(R.indptr)) * d_i[R.indices])", "np.diff(R.indptr)) * d_i[R.indices] ** 0)", "graph::the_adjacency_edge_by_edge"),
    M("deep dot: the perceptron in place of the product", "deep_dot", "return score + self.out", "return 0 * score + self.out", "deep_dot::the_forward_pass_by_hand"),
    M("GF-CF: degrees on the wrong sides", "filters", "(V * inverse[:, None]) @ (V.T * root)", "(V * root[:, None]) @ (V.T * inverse)", "filters::weights_are_the_dense_formula"),
    M("GF-CF: one direction more", "filters", "values[-min(k, len(values))]", "values[-min(k + 1, len(values))]", "filters::weights_are_the_dense_formula"),
    M("GF-CF: users' roots forgotten", "filters", "np.sqrt(np.repeat(n_u, np.diff(M.indptr)) * n_i[M.indices])", "np.sqrt(n_i[M.indices])", "filters::without_the_ideal_part_it_is_two_steps_over_the_graph"),
    # -- sampling, callbacks, parameters
    M("sampling: positives may be negatives", "sampling", "wrong = wrong[is_stored(indptr, indices, user[wrong], item[wrong])]", "wrong = wrong[:0]", "sampling::negatives_are_items_the_user_lacks"),
    M("sampling: weights ignored", "sampling", "DiscreteAliasUrn(weights / weights.sum(),", "DiscreteAliasUrn(np.ones(n_items),", "sampling::negatives_follow_their_distribution"),
    M("sampling: batches in file order", "sampling", "order = rng.permutation(n)", "order = np.arange(n)", "sampling::minibatches_come_in_another_order_each_time"),
    M("windows: the last step dropped", "sampling", "len(items) - 1, length), len(items) - 1]", "len(items) - 1, length), len(items) - 2]", "sampling::every_step_is_in_exactly_one_window"),
    M("early stopping: one epoch late", "callbacks", "epoch - self.best_epoch >= self.patience", "epoch - self.best_epoch > self.patience", "base::early_stopping_against_a_loop"),
    M("early stopping: the best of the last fit", "callbacks", "if epoch == 1:", "if epoch == 0:", "base::early_stopping_against_a_loop"),
    M("parameters: bounds of numbers ignored", "parameters", "check_number(name, value, **bounds, whole=first is int)", "check_number(name, value, whole=first is int)", "parameters::a_wrong_argument_is_refused_in_fit"),
    M("parameters: a child loses its parent's rules", "parameters", "rules = inherited[name].metadata", 'rules = {"doc": "", "bounds": {}}', "parameters::a_child_inherits_rules_and_words_and_changes_a_default"),
    # -- ranking and metrics
    M("lists: ties by the higher index", "ranking", "order = np.lexsort((col, -value, row))", "order = np.lexsort((-col, -value, row))", "base::top_k_is_a_full_stable_sort"),
    M("lists: of tied items any may enter", "ranking", "wanted[b, tied[m - (top[b] > kth[b]).sum() :]] = False", "wanted[b, tied[: -(m - (top[b] > kth[b]).sum())]] = False", "base::top_k_is_a_full_stable_sort"),
    M("RMSE: no root", "metrics", "scale * np.sqrt(np.mean(", "scale * (np.mean(", "metrics::ratings_by_hand"),
    M("NDCG: an ideal list of k for everybody", "metrics", "ideal[np.minimum(n_relevant, hits.shape[1])]", "ideal[n_relevant * 0 + hits.shape[1]]", "metrics::by_hand"),
    M("NDCG: discount a place late", "metrics", "np.log2(np.arange(2, k + 2))", "np.log2(np.arange(3, k + 3))", "metrics::by_hand"),
    M("MAP: divided by at most k", "metrics", "/ place).sum(axis=1), n_relevant)", "/ place).sum(axis=1), np.minimum(n_relevant, len(place)))", "metrics::ranking_metrics_are_trec_eval_s"),
    M("AUC: ties count 0", "metrics", "return (left + right) / 2", "return left", "metrics::auc_is_scikit_learn_s_and_mann_whitney_s"),
    M("novelty: nats", "metrics", "surprise = -np.log2(", "surprise = -np.log(", "metrics::novelty_in_bits"),
    # -- splits, evaluation, comparison
    M("item-stratified: halves rounded up", "splits", "np.round(ratio * np.bincount(group, minlength=n_groups))", "np.floor(ratio * np.bincount(group, minlength=n_groups) + 0.5)", "splits::halves_are_rounded_to_even"),
    M("global time: rows at the cut train", "splits", "before = time < cut", "before = time <= cut", "splits::global_time_separates_the_times"),
    M("new users: one row too many", "splits", "known = hidden & (place < n_known)", "known = hidden & (place <= n_known)", "splits::new_users_and_their_nested_histories"),
    M("folds: always the first", "splits", "[one(n) for n in range(n_folds)]", "[one(0) for n in range(n_folds)]", "splits::every_row_is_tested_once"),
    M("order of time: ties reversed", "data", 'return np.argsort(self.time, kind="stable")', 'return len(self.time) - 1 - np.argsort(self.time[::-1], kind="stable")', "splits::leave_last_out_against_a_loop"),
    M("clip: always one to five", "parts", "return float(train.value.min()), float(train.value.max())", "return 1.0, 5.0", "evaluate::predictions_are_cut_to_the_range_of_the_training_values"),
    M("evaluate: AUC over seen items", "evaluate", "metrics.auc(scores, relevant, excluded)", "metrics.auc(scores, relevant, None)", "evaluate::evaluate_against_loops"),
    M("bootstrap: one seed for all", "compare", "rng = np.random.default_rng(random_state)", "rng = np.random.default_rng(0)", "compare::bootstrap_repeats_and_obeys_its_seed"),
    M("compare: interval not halved", "compare", "return (interval.high - interval.low) / 2", "return interval.high - interval.low", "compare::compare_on_one_split_by_hand"),
    M("compare: sign of the difference", "compare", "return bootstrap(a - b, **options)", "return bootstrap(b - a, **options)", "compare::paired_bootstrap_is_the_bootstrap_of_the_differences"),
    M("compare: standard deviation of a population", "compare", "return means.std()", "return means.std(ddof=0)", "compare::compare_on_two_splits_by_hand"),
    # -- protocol, tuning, study
    M("protocol: inner test is the validation part", "protocol", "return Split(part.train, part.test, split.test)", "return Split(part.train, part.test, part.test)", "protocol::inner_parts_are_cut_from_the_training_part"),
    M("protocol: a larger error is better", "protocol", "return -metrics.rmse(", "return metrics.rmse(", "protocol::quality_of_ratings_is_minus_the_rmse"),
    M("protocol: official folds shuffled", "protocol", "n=n - 1, random_state=None", "n=n - 1", "protocol::the_splits_of_the_book"),
    M("protocol: own times not told", "protocol", "own_time=True, **options", "own_time=False, **options", "protocol::ratings_are_judged_by_their_errors"),
    M("halving: the worst survive", "tuning", 'key=lambda k: -rows[k]["score"]', 'key=lambda k: rows[k]["score"]', "tuning::who_survives_by_hand"),
    M("expected best: one draw too many", "tuning", "np.diff(share**n, axis=1)", "np.diff(share ** (n + 1), axis=1)", "tuning::expected_best_over_all_draws"),
    M("search: the test part chooses", "study/search", "trial(space.make, parameters, score)", "trial(space.make, parameters, test)", "tuning::the_test_part_never_chooses"),
    M("growth: the choice looks at the test item", "study/growth", "known, following = walks[:, :-2], walks[:, -2]", "known, following = walks[:, :-1], walks[:, -1]", "growth::the_choice_sees_neither_the_test_item_nor_a_world_that_is_scored"),
    M("chains: pairs are never trusted", "study/chains", "return (own + trust * p_single[walks[:, -1]]) / total", "return p_single[walks[:, -1]]", "growth::pairs_are_counted_and_backed_off"),
    M("chains: the truth forgets the last item but one", "study/chains", "share = wanted[a, b] if back == 2", "share = wanted[b, a] if back == 2", "growth::chances_by_loops"),
    M("results: first split of the last column", "study/results", "at_first[columns[0]]", "at_first[columns[-1]]", "results::a_table_never_mixes_folds results::costs_are_medians results::the_metrics_of_a_task"),
    M("results: thirds cut below ties", "study/results", "[1 / 3, 2 / 3]), right=True)", "[1 / 3, 2 / 3]))", "results::thirds_are_those_of_pandas_and_live_with_ties"),
    M("results: users by place", "study/results", 'pd.Series(row.ndcg_per_user, pd.Index(row.users, name="user"))', 'pd.Series(row.ndcg_per_user, pd.RangeIndex(len(row.users), name="user"))', "results::numbers_belong_to_their_users"),
    M("leaderboard: parameters do not make a row stale", "study/leaderboard", 'facts = ("data", "code", "params_digest")', 'facts = ("data", "code")', "leaderboard::changed_parameters_are_measured_again"),
    M("leaderboard: zeros count as parameters", "study/leaderboard", "return int(np.count_nonzero(part))", "return int(part.size)", "leaderboard::parameters_by_hand leaderboard::what_is_a_parameter_and_what_is_not"),
    M("digests: the data do not count", "study/digests", 'yield f"data {value.digest}".encode()', 'yield b"data"', "digests::data_are_told_apart"),
    M("digests: the protocol does not count", "study/digests", 'SCORING = (f"{PACKAGE}.protocol",)', 'SCORING = (f"{PACKAGE}.base",)', "digests::the_modules_that_count"),
    M("digests: a folder's __init__ does not count", "study/digests", "*_folders(name)", "", "digests::the_init_of_a_folder_counts_with_its_modules"),
    M("ranges: the last user left out", "study/files", "int(run[-1]) + 1", "int(run[-1])", "results::users_are_stored_as_ranges"),
)
