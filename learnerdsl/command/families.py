"""The families of the builtin learners: rules that are built around the same idea."""

FAMILIES = {
    "sgd": "sgd sgdw sgd_keras sgd_sai noisy_sgd gravity srmm",
    "momentum": "momentum_sgd nesterov accsgd aggmo qhm pid pnm tam optimistic_gradient_descent",
    "adam": """
        acprop adabelief adabound adagc adahessian adai adam adam_keras adam_uncorrected adamax
        adamaxw adamc adamg adamod adams adams_momentum adamw adan adanorm adapnm adashift adasmooth
        adatam ademamix simplified_ademamix adopt aida amos amsgrad amsgrad_optax ano apollo
        avagrad bcos cautious_adamw diffgrad exadam fadam focus grams kate laprop madam
        mars_adamw nadam nadamw nadamw_timm optimistic_adam_v2 padam qhadam radam
        radam_optax ranger sparse_adam stable_adamw stable_spam vsgd yogi
    """,
    "root mean square": """
        adadelta adagrad adagrad_optax a2grad ftrl madgrad msvag rmsprop rmsprop_centered
        rmsprop_momentum rmsprop_optax
    """,
    "sign": "lion mars_lion rprop sign_sgd signum tiger",
    "trust ratio": "fromage lamb lamb_timm lars lars_timm nero novograd novograd_timm adamp sgdp",
    "factored": """
        adafactor adafactor_bv adafactor_optax adam_mini came racs sinkgd sm3
    """,
    "matrix": """
        adamuon apollo_low_rank apollo_mini asgo aurora conda cosmos dion dion2 fira galore_adamw
        kl_shampoo kl_soap mano muon muon_optax muon_plus muon_squared muon_with_adamw muown namo
        nordion2 normuon polargrad psgd_kron rmnp scion shampoo soap soap_muon splus swan
    """,
    "curvature": "lbfgs sophia",
    "no rate": """
        cocob dadapt_adagrad dadapt_adamw dadapt_adan dadapt_lion dadapt_sgd dog dowg l_dog prodigy
        prodigy_official
    """,
    "loss": "alig momo momo_adam polyak_sgd",
    "averaging": """
        asgd gpa_adamw schedule_free_adamw schedule_free_plus schedule_free_radam
        schedule_free_sgd
    """,
}
"""Family -> the names of its rules."""

FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names.split()}
